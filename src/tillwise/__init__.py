"""tillwise: the machine-learned decisions of an online shop, with permission, reasons and proof on the road."""
