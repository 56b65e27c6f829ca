"""Files that people and other systems write: text in any usual encoding, tables, documents. Pure.

A file of a recognised form is read, and `Recognised.note` names that form. Any other file is an `InvalidFile`, whose
message names the place of the fault and the remedy, in English and in Chinese.
"""
