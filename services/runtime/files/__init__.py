"""Files that people and other systems write: text in any usual encoding, tables, documents. Pure.

What can be recognised is read, and `Recognised.note` tells as what. What cannot be read is an `InvalidFile`, whose
message tells where the fault is and what to do, in English and in Chinese.
"""
