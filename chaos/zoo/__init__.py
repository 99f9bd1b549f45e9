"""The bug zoo: rules taken out of the real code, one at a time, and who finds each.

``catalog`` says what is missing in each mutant, which promise that breaks, and where it
is caught; ``mutants`` plants one; ``hunting`` looks for one by seeds. See
``docs/zoo.md``.
"""
