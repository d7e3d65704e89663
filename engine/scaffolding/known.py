"""Where events have what vendors ask for under well-known names.

A table and not a measure of likeness: `company` and `country` are alike, and are not the same. The names are those of
vendors' APIs, without case and separators; the paths are those of Segment's spec.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.events.spec import FIELDS
from engine.scaffolding.outline import word_set

OWN = {
    call: next((own for own in ("traits", "properties") if own in fields), "context.traits")
    for call, fields in FIELDS.items()
}
"""The object of the call's own fields; `alias` and `delete` have only their context."""

_ANY: dict[str, str] = {
    "parts.email": "email emailaddress useremail mail customeremail contactemail recipientemail",
    "parts.first_name": "firstname givenname fname",
    "parts.last_name": "lastname surname familyname lname",
    "parts.name": "fullname displayname",
    "parts.phone": "phone phonenumber mobile mobilephone mobilenumber telephone cellphone",
    "parts.gender": "gender sex",
    "parts.street": "street streetaddress address1 addressline1",
    "parts.city": "city town",
    "parts.region": "region state province",
    "parts.postal_code": "postalcode zip zipcode postcode",
    "parts.country": "country countrycode",
    "parts.user_agent": "useragent browseruseragent clientuseragent",
    "parts.language": "locale language lang preferredlanguage",
    "parts.timezone": "timezone tz",
    "parts.ip": "ip ipaddress clientip clientipaddress remoteip useripaddress",
    "parts.url": "url pageurl eventsourceurl currenturl",
    "parts.path": "pagepath",
    "context.page.referrer": "referrer referer referrerurl",
    "context.page.title": "pagetitle",
    "context.campaign.source": "utmsource",
    "context.campaign.medium": "utmmedium",
    "context.campaign.name": "utmcampaign",
    "context.device.id": "deviceid",
    "context.os.name": "osname",
    "context.app.version": "appversion",
    "userId": (
        "userid uid externalid externaluserid customerid customid distinctid personid contactid profileid memberid "
        "subscriberid user identity partneruserid clientuserid identifier"
    ),
    "anonymousId": "anonymousid visitorid anonid cookieid clientid",
    "timestamp": "timestamp time ts occurredat eventtime eventtimestamp happenedat datetime occurred",
    "messageId": "messageid insertid idempotencykey eventid deduplicationid uniqueid requestid uuid",
}

_OF_CALL: dict[str, dict[str, str]] = {
    "track": {
        "event": "event eventname eventtype action activity activityname name type",
        "context.groupId": "groupid companyid organizationid",
        "timestamp": "createdat",
    },
    "identify": {
        "traits.createdAt": "createdat signupdate signedupat registeredat created",
        "parts.name": "name",
        "type": "event eventname eventtype",
    },
    "page": {"name": "name pagename event eventname title", "category": "category", "type": "type eventtype"},
    "screen": {"name": "name screenname event eventname title", "category": "category", "type": "type eventtype"},
    "group": {
        "groupId": "groupid companyid organizationid orgid accountid teamid id",
        "traits.name": "name companyname company organization",
        "type": "event eventname eventtype type",
    },
    "alias": {"previousId": "previousid alias oldid from previoususerid", "userId": "id newid to"},
    "delete": {"userId": "id"},
}

_OBJECTS = word_set(
    "properties eventproperties attributes customattributes data params parameters metadata payload traits "
    "userattributes userproperties customfields fields eventdata customdata custom extra details"
)


def _by_name(table: dict[str, str]) -> dict[str, str]:
    return {name: path for path, names in table.items() for name in names.split()}


ANY = _by_name(_ANY)
OF_CALL = {call: _by_name(table) for call, table in _OF_CALL.items()}

EVENT_PLACES = {
    **{f"parts.{name}": f"traits.{name}" for name in ("email", "name", "phone", "gender")},
    "parts.first_name": "traits.firstName",
    "parts.last_name": "traits.lastName",
    **{f"parts.{name}": f"traits.address.{name}" for name in ("street", "city", "country")},
    "parts.region": "traits.address.state",
    "parts.postal_code": "traits.address.postalCode",
    "parts.user_agent": "context.userAgent",
    "parts.language": "context.locale",
    "parts.timezone": "context.timezone",
    "parts.ip": "context.ip",
    "parts.url": "context.page.url",
    "parts.path": "context.page.path",
}
"""Where an example has what a part reads; `traits` is in the context of calls without traits."""


def plain(name: str) -> str:
    """Return a name without case and separators."""
    return "".join(filter(str.isalnum, name[:200])).lower()


def known_path(name: str, call: str, kind: str) -> str | None:
    """Return the path of a well-known field in a call, None if the name says nothing."""
    word = plain(name)
    if kind == "object":
        if word in _OBJECTS:
            own = OWN[call]
            about_user = word.startswith("user") or word == "traits"
            return "context.traits" if own == "properties" and about_user else own
        return None
    if kind == "list":
        return None
    if word == "id" and call in ("identify", "track", "page", "screen"):
        return "userId" if call == "identify" else "messageId"
    return OF_CALL[call].get(word) or ANY.get(word)


def event_place(path: str, call: str) -> str:
    """Return the field of an event that an example sets so that `path` has a value."""
    place = EVENT_PLACES.get(path, path)
    return f"context.{place}" if place.startswith("traits.") and OWN[call] != "traits" else place


def names() -> Iterator[str]:
    """Return every path that the tables name, for the test that each can be read."""
    yield from (*_ANY, *(path for table in _OF_CALL.values() for path in table))
