"""How a gateway does: figures from its own queues, logs and records, and a probe message.

`mail_log`, `trace` and `decisions` read lines (pure functions), `host` fetches them, `message`
sends a probe and follows it. Nothing here imports Ansible.
"""
