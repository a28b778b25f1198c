"""Unlearning code of others, made into methods of this library: what it is handed, how it is called, what it returns.

:func:`~labelleak_lib.adapters.foreign.adapted` is the way in: it takes a function, an object with `unlearn`, or a name
"module:function", and reads from the names of its parameters what each of them is to hold.
"""
