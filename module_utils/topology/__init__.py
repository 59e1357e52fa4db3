"""Which program owns which port of a gateway, which it should be, and how to get there.

Data flows one way: `sockets` and `survey` look at the host, `diagnosis` compares what they saw with
`model`, `plan` says what to do, `switch` does it. Nothing here imports Ansible.
"""
