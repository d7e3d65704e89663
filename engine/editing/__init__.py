"""What an editor asks about a mapping that is being typed: text and position in, result out; speaks no protocol.

`server` is the one module that knows the language server protocol. All others are about plain text: they use the
checker, the schema and the recording compiler, and interpret nothing themselves.
"""
