"""Email Reputation (F2): DNS block lists, as pure functions and values.

What to ask is in ``question``, how one zone's answer is read in ``zone``, whether a zone may be
asked in ``canary`` and ``breaker``, what is remembered in ``cache``, and what follows from all
the answers in ``verdict``. Time comes as an argument; the asking is done by ``io.reputation``.
"""
