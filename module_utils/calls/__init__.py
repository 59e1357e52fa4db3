"""What this project's modules do on a host, each in a file of the module's name.

`run` makes what the module returns out of parameters that are checked, by `options`. The module
itself (`library/`) calls it, and so does `action_plugins/host_call.py`.
"""
