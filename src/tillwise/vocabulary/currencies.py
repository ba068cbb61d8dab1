"""The currencies of ISO 4217 and the decimals of each: the list in force, and what was withdrawn since 2020.

A withdrawn currency stays readable because a shop's older orders are in it. Units that are no money a shop counts in
(gold, special drawing rights, codes for tests) have no decimals in the standard and are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_TWO = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP
    COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR
    JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN
    NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL
    THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
"""
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_FOUR = "CLF UYW"
_WITHDRAWN = "ANG BGN CUC HRK SLL ZWL"
"""All of two decimals: the Antillean guilder (2025), lev (2026), convertible peso, kuna, old leone, Zimbabwe dollar."""

EXPONENTS: Final[Mapping[str, int]] = MappingProxyType(
    {
        code: decimals
        for codes, decimals in ((_NONE, 0), (_TWO, 2), (_WITHDRAWN, 2), (_THREE, 3), (_FOUR, 4))
        for code in codes.split()
    }
)
"""Decimals by code."""
