"""The account menu in the bar of every page: who is logged in, and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from maps.assets import asset
from maps.messages import words_of


def account_words(language: str) -> Mapping[str, str]:
    """Words about accounts, by key.

    Raises
    ------
    KeyError
        If the language is not one of `maps.messages.LANGUAGES`.
    """
    return words_of("accounts", language=language)


@dataclass(frozen=True, slots=True)
class AccountMenu:
    """What the menu shows.

    Attributes
    ----------
    name : str
        Of the account.
    form_token : str
        What the log-out form sends back; empty where there is no session to end.
    administers : bool
        Whether it leads to the accounts page.
    words : mapping of str to str
    style : str
        Address of its style sheet.
    """

    name: str
    form_token: str
    administers: bool
    words: Mapping[str, str]
    style: str

    @classmethod
    def of(cls, name: str, *, form_token: str, administers: bool, language: str) -> AccountMenu:
        """Make the menu of an account in a language."""
        return cls(
            name,
            form_token,
            administers,
            account_words(language),
            asset("gridcircle/accounts.css"),
        )
