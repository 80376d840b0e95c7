"""Where providers call us: what they report about our letters, and what customers answer. No session, no log-in.

Each view verifies first who calls, and does nothing else before that; these are the only views without the check
against forged forms.
"""
