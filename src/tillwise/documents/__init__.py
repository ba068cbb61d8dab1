"""Documents: inventory, flow, record of processing and notice, generated from what is declared and what really ran."""
