"""May we: purposes, consent and the gate that makes every Permit."""
