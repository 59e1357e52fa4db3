"""A rollout over a fleet, as the control node keeps it: who runs, and how far each host is.

Nothing here imports Ansible.
"""
