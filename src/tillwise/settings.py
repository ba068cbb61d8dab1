"""Settings of one shop: `tillwise.toml`, read once; secrets lie beside it, readable by their owner only."""

from __future__ import annotations

import os
import secrets as random
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import field

from tillwise.errors import ConfigurationError

SECRETS_FILE = "secrets.toml"
SETTINGS_FILE = "tillwise.toml"
SHOP_FILE = "shop.py"


class ServeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the API listens. `origins` are the web origins that may post behaviour from a browser, and show the banner.

    `public_url` is the address under which people reach it (`https://privacy.shop.example`); empty = as it was called.
    `traces` is an OpenTelemetry collector (`http://127.0.0.1:4318`); empty: no traces are made.
    """

    host: str = "127.0.0.1"
    port: int = 8420
    workers: int = 1
    origins: tuple[str, ...] = ()
    public_url: Annotated[str, msgspec.Meta(pattern=r"^(https?://[^\s/?#]+/?)?$")] = ""
    traces: Annotated[str, msgspec.Meta(pattern=r"^(https?://[^\s?#]+)?$")] = ""


class ClockSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The log clock. `offset_ms` is added to real time; a replayed data set starts its clock at its last event."""

    offset_ms: int = 0


class ShopSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shop itself. `place` is the country whose rules apply where no other is known; empty = strictest.

    `region` is where its store stands (`eu`, or a country such as `us` or `cn`): people whose law keeps their data
    elsewhere are refused.
    """

    name: str = "shop"
    currency: str = "EUR"
    place: str = ""
    region: Annotated[str, msgspec.Meta(pattern="^(eu|[a-z]{2})?$")] = ""
    notice_url: str = ""


class ControllerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who answers for the data (GDPR 13(1)(a)-(b), 30(1)(a)): name, address, contact, data protection officer.

    What is empty is told as missing in the record of processing, and left out of the notice.
    """

    name: str = ""
    address: str = ""
    contact: str = ""
    dpo: str = ""


PurposeWord = Literal[
    "recommend", "search", "price", "marketing", "fraud_prevention", "service", "moderation", "train", "share"
]


class ConsentSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Consents of another tool: `categories` says which purposes each of its categories means.

    `notice` and `evidence` are what a yes on a tracking call rests on (`context.consent`); without both no such yes
    counts, a no always does.
    """

    categories: dict[str, PurposeWord | tuple[PurposeWord, ...]] = field(default_factory=dict)
    notice: str = ""
    evidence: str = ""

    def purposes(self) -> dict[str, tuple[PurposeWord, ...]]:
        """Return the purposes of each category."""
        return {name: (word,) if isinstance(word, str) else word for name, word in self.categories.items()}


class PrivacySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How strict to be beyond each place's own law: `eu-strict`, `us`, `global-strict`, or "" for the law alone."""

    preset: Literal["", "eu-strict", "us", "global-strict"] = ""


class BorderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which laws on keeping data at home bind this shop: countries that told it to, and why others do not."""

    designated: tuple[str, ...] = ()
    exempt: dict[str, str] = field(default_factory=dict)


class SinkSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A webhook: the vendor behind it, its address, and what it is told of: decisions of use cases, and outcomes.

    `secret_version` is raised to sign with a new secret (`tillwise recipients secret SINK`).
    """

    vendor: str
    url: str
    decisions: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5.0
    secret_version: int = 1


class AuditSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`copy_to`: a file that gets each new checkpoint appended, at most once a minute; best on another machine's disk.

    A folder gets one file per day. A relative path starts at the shop's folder.
    """

    copy_to: str = ""


class AccessSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`grant_days`: how long a role is given for when nothing else is said; a year at most."""

    grant_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 90


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a shop may set; what is not here has one value."""

    shop: ShopSettings = field(default_factory=ShopSettings)
    serve: ServeSettings = field(default_factory=ServeSettings)
    clock: ClockSettings = field(default_factory=ClockSettings)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    consent: ConsentSettings = field(default_factory=ConsentSettings)
    controller: ControllerSettings = field(default_factory=ControllerSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    access: AccessSettings = field(default_factory=AccessSettings)
    borders: BorderSettings = field(default_factory=BorderSettings)
    sinks: dict[str, SinkSettings] = field(default_factory=dict)
    policy: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Per use case, values that replace the defaults of its policy."""
    retention: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Per kind of data, days that replace those of privacy/retention.toml: see docs/retention.md."""


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """`log` keys every hash of personal text; it never leaves the machine and is never printed."""

    log: bytes

    def __repr__(self) -> str:
        return "Secrets(…)"


@dataclass(frozen=True, slots=True)
class ShopFolder:
    """A shop's folder and what lies where in it."""

    path: Path

    @property
    def database(self) -> Path:
        """The row store."""
        return self.path / "tillwise.db"

    @property
    def models(self) -> Path:
        """Artifacts, one folder each, named by hash."""
        return self.path / "models"

    @property
    def segments(self) -> Path:
        """Parquet segments exported from the row store."""
        return self.path / "segments"

    @property
    def snapshots(self) -> Path:
        """Item snapshots, one file each, named by hash."""
        return self.path / "snapshots"

    @property
    def reports(self) -> Path:
        """HTML reports of train and evaluate."""
        return self.path / "reports"

    def settings(self) -> Settings:
        """Read `tillwise.toml`; raise ConfigurationError naming the key that is wrong."""
        file = self.path / SETTINGS_FILE
        try:
            return msgspec.convert(tomllib.loads(file.read_text("utf-8")), Settings)
        except FileNotFoundError:
            raise ConfigurationError(f"{file} is missing: run `tillwise init {self.path}` first") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
            raise ConfigurationError(f"{file}: {error}") from None

    def secrets(self) -> Secrets:
        """Read the secrets; raise ConfigurationError when the file is missing or others may read it."""
        file = self.path / SECRETS_FILE
        try:
            if file.stat().st_mode & 0o077:
                raise ConfigurationError(f"{file} can be read by others: run `chmod 600 {file}`")
            log = bytes.fromhex(tomllib.loads(file.read_text("utf-8"))["log"])
        except FileNotFoundError:
            raise ConfigurationError(
                f"{file} is missing: restore it from your backup; without it nobody can be recognised again"
            ) from None
        except (tomllib.TOMLDecodeError, KeyError, ValueError):
            raise ConfigurationError(f"{file} is damaged: restore it from your backup") from None
        if len(log) < 32:
            raise ConfigurationError(f"{file}: the log secret is shorter than 32 bytes; restore it from your backup")
        return Secrets(log=log)


def create_secrets(folder: Path) -> None:
    """Write new random secrets, mode 0600; never overwrite existing ones."""
    descriptor = os.open(folder / SECRETS_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f'# Keys every hash of personal text. Back it up; never share it.\nlog = "{random.token_hex(32)}"\n')
