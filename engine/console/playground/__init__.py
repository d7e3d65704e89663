"""The playground: a mapping and events that someone types, what becomes of them, and why.

`trying` is pure; `process` runs it apart from the server, because only a process can be stopped after some seconds.
"""
