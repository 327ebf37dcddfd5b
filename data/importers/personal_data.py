"""Personal data never enters: columns about a person are left out by name and by what they hold."""

from __future__ import annotations

import re

import pandas as pd

from data.importers.headers import plain
from data.importers.report import LeftOutColumn

_BY_NAME = (
    (
        r"^(姓名|户主|户主姓名|居民姓名|联系人|负责人|业主|业主姓名|网格员|楼长|residentname|owner|contactname|contactperson)$",
        "names a person",
    ),
    (r"(身份证|证件号|idcard|idnumber|公民身份)", "holds identity numbers"),
    (r"(手机|电话|联系方式|phone|mobile|tel$)", "holds phone numbers"),
    (r"(车牌|plate|牌照)", "holds vehicle plates"),
    (r"(重点人|重点人员|特殊人群|keyperson|党员姓名|信用分|积分|评分)", "marks or scores persons"),
    (r"(出生|生日|birth|民族|宗教|婚姻)", "describes a person"),
)
_ID_NUMBER = re.compile(r"^[1-9]\d{5}(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d{3}[\dXx]$")
_MOBILE = re.compile(r"^(\+?86)?1[3-9]\d{9}$")
_PLATE = re.compile(
    r"^[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z][A-Z0-9]{5,6}$"
)
_BY_VALUE = (
    (_ID_NUMBER, "holds identity numbers"),
    (_MOBILE, "holds mobile phone numbers"),
    (_PLATE, "holds vehicle plates"),
)
SHARE = 0.05
"""Share of filled cells that look personal from which a column is left out."""


def leave_out(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[LeftOutColumn]]:
    """Take columns about persons out of a table.

    Parameters
    ----------
    frame : DataFrame
        Cells as text.

    Returns
    -------
    tuple of DataFrame and list of LeftOutColumn
        The rest, and what was left out with the reason.
    """
    left = []
    for column in frame.columns:
        reason = _reason(str(column), frame[column])
        if reason is not None:
            left.append(LeftOutColumn(str(column), f"{reason}: personal data is never read"))
    return frame.drop(columns=[c.name for c in left]), left


def _reason(name: str, cells: pd.Series) -> str | None:
    folded = plain(name)
    for pattern, reason in _BY_NAME:
        if re.search(pattern, folded):
            return reason
    if pd.api.types.is_numeric_dtype(cells) or not pd.api.types.is_string_dtype(cells):
        texts = cells.dropna().map(lambda v: str(v).removesuffix(".0"))
    else:
        texts = cells.dropna().str.strip()
    texts = texts[texts != ""]
    if not len(texts):
        return None
    for looks_like, reason in _BY_VALUE:
        if texts.str.fullmatch(looks_like).mean() >= SHARE:
            return reason
    return None


def masked(value: object) -> object:
    """A cell as it may stand in a message: what looks personal is hidden."""
    text = str(value).strip()
    if any(pattern.fullmatch(text) for pattern, _ in _BY_VALUE):
        return "***"
    return value
