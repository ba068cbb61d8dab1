"""`python -m tillwise`."""

from tillwise.cli.main import main

if __name__ == "__main__":
    main()
