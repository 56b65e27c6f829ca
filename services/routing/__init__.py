"""Routing requests all steps that can start at the same moment (抄告相关), and joins the answers to a decision."""
