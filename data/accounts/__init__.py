"""Who may do what: accounts, their rights in areas, log-in, sessions and tokens."""

from data.accounts.account import (
    LOCAL,
    Account,
    Grant,
    may,
    may_anywhere,
    require,
)

__all__ = ["LOCAL", "Account", "Grant", "may", "may_anywhere", "require"]
