"""`python -m holdfast` is `holdfast`."""

from holdfast.commands import main

if __name__ == "__main__":
    main()
