"""The nouns everyone uses: identities, positions, money, clocks, canonical JSON, purposes, and the store port."""
