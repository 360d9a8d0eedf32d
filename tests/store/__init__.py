"""Tests of the recorder and its database. A package, so that its helpers have a name of their own."""
