"""What do we do, and the record of it: the road itself, policy, receipts, replay."""
