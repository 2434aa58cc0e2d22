"""Slips that are no fiscal documents: text, codes and pictures from a small template language. Only `desk` enters.

template  the language, and a request's JSON as a slip: pure
service   prints each once; what may be on paper is printed again only as a marked copy
"""
