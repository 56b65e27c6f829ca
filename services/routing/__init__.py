"""Routing asks all departments concerned at the same moment (抄告相关), and joins their answers to a decision."""
