"""The console's own memory of decisions: an SQLite database that answers every page at once.

* ``database``: its tables, and connections to it.
* ``ids``, ``places``, ``packing``: how a decision's id, an address and a record are written.
* ``writer``: takes records, keeps the sums, and forgets what is too old.
* ``search``, ``sums``, ``reader``: answer questions, each by an index and a bounded number of rows.
"""
