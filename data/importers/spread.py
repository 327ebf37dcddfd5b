"""Estimates that add up to what is known of a community."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sqlalchemy import Connection, text

from geo.dasymetric import estimate_people, spread


def open_totals(connection: Connection) -> pd.DataFrame:
    """What of each community's total no ledger counts yet.

    Parameters
    ----------
    connection : Connection

    Returns
    -------
    DataFrame
        Indexed by the id of the community: ``households`` and ``people`` (NA where no total is
        known) that are left to buildings without surveyed counts, at least 0.
    """
    rows = connection.execute(
        text("""
            SELECT t.area_id,
                   greatest(t.households - coalesce(sum(b.households)
                       FILTER (WHERE b.households_source = 'surveyed'), 0), 0) AS households,
                   CASE WHEN t.people IS NOT NULL THEN greatest(t.people - coalesce(sum(b.people)
                       FILTER (WHERE b.people_source = 'surveyed'), 0), 0) END AS people
              FROM community_totals t LEFT JOIN buildings b ON b.community_id = t.area_id
             GROUP BY t.area_id
        """)
    )
    table = pd.DataFrame(rows.all(), columns=["area_id", "households", "people"])
    return table.astype({"households": "int64", "people": "Int64"}).set_index("area_id")


def spread_totals(estimates: pd.DataFrame, totals: pd.DataFrame) -> pd.DataFrame:
    """Bring the estimates of each community with a known total to that total.

    Households are spread by the estimated households, people by the households that come of it:
    largest remainder, so that the parts add up exactly.

    Parameters
    ----------
    estimates : DataFrame
        One row a building: ``community_id``, ``households``, ``people``.
    totals : DataFrame
        As `open_totals` gives them.

    Returns
    -------
    DataFrame
        The same rows; with ``known``, whether the row follows a total.
    """
    out = estimates.assign(known=estimates["community_id"].isin(totals.index))
    place_of = {community: place for place, community in enumerate(totals.index)}
    for community, group in out[out["known"]].groupby("community_id"):
        total = totals.iloc[place_of[community]]
        households = spread(int(total["households"]), group["households"].to_numpy(np.float64))
        out.loc[group.index, "households"] = households
        if pd.notna(total["people"]):
            people = spread(int(total["people"]), households.astype(np.float64))
            out.loc[group.index, "people"] = people
        else:
            out.loc[group.index, "people"] = estimate_people(households)
    return out
