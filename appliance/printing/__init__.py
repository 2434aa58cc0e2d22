"""Slips that are no fiscal documents: text, codes and pictures from a small template language. Only `desk` enters.

template  the language, line by line: pure
elements  what may stand on a slip, with its limits; pictures: pure
reading   a request's JSON as a slip, every mistake at once: pure
jobs      what became of a slip, out of the journal and out of what a device says
service   prints each once; what may be on paper is printed again only as a marked copy
"""
