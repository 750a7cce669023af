"""How commands and addresses take secrets that no name stands beside: by options, by place, behind a user. Pure."""

import re

from shared.secret_formats import REDACTED

_ARGUMENTS = r"[^\n|;]{0,200}?[ \t]"
"""What may stand between a command and its option."""
_LEADS = (
    # PowerShell and Windows
    r"\bConvertTo-SecureString[ \t]+(?:-(?:String|AsPlainText|Force)[ \t]+)*",
    r"Credential\(\s*[\"'][^\"']*[\"']\s*,\s*(?!\()",
    r"\bnet[ \t]+user[ \t]+\S+[ \t]+(?!/)",
    r"\bnet[ \t]+use\b(?:[ \t]+(?:[A-Za-z*]:?|\\\\\S+|/\S+))+[ \t]+(?![A-Za-z*]:[ \t]|\\\\|/)",
    r"/(?:pass|pwd):|(?:^|[ \t])/(?:p:|rp[: \t]+(?=[^\s/]))",
    rf"\bsigntool\b{_ARGUMENTS}/p[ \t]+|\bbitsadmin\b{_ARGUMENTS}/SetCredentials(?:[ \t]+\S+){{4}}[ \t]+",
    # commands with an option of one letter
    r"\bsshpass[ \t]+-p[ \t]*",
    rf"\b(?:curl|wget|invoke-\w+)\b{_ARGUMENTS}(?:-u|--user|--proxy-user)[ =]+(?=[^\s:]+:)",
    rf"\b(?:mysql|mysqldump|mysqladmin|mongo\w*|sqlcmd|osql|isql|bcp|7z|winrs)\b{_ARGUMENTS}(?:-p|-P|--pass)[ \t]*",
    rf"\b(?:docker|az)[ ]login\b{_ARGUMENTS}(?:-p|--pass)[ \t]+|\bpsexec\S*{_ARGUMENTS}-p[ \t]+",
    rf"\b(?:zip|unzip|plink|pscp|rdesktop|ipmitool|racadm|certutil)\b{_ARGUMENTS}(?:-p|-P|-pw)[ \t]+",
    rf"\bkeytool\b{_ARGUMENTS}-(?:storepass|keypass)[ \t]+|\brar\b{_ARGUMENTS}-h?p(?=\S)",
    rf"\bldap\w+\b{_ARGUMENTS}-w[ \t]+|\bredis-cli\b{_ARGUMENTS}(?:-a|--pass)[ \t]+",
    rf"\bopenssl\b{_ARGUMENTS}-[kK][ \t]+|-pass(?:in|out)?[ \t=]+pass:",
    # behind a user, or by its place
    rf"\b(?:smbclient|winexe|rpcclient|wmic|pth-\w+)\b{_ARGUMENTS}(?:-U|--user)[ \t=]*[\"']?[^\s%]+%",
    rf"\blftp\b{_ARGUMENTS}(?:-u|--user)[ \t]+[^\s,]+,|\b(?:sqlplus|impdp|expdp)[ \t]+[^\s/]+/",
    r"\bhtpasswd\b[ \t]+(?:-\w+[ \t]+)*-\w{0,9}b\w{0,9}[ \t]+(?:-\w+[ \t]+)*\S+[ \t]+\S+[ \t]+",
    rf"\bmysqladmin\b{_ARGUMENTS}password[ \t]+|\bvault[ \t]+login[ \t]+(?!-)",
    r"\b(?:echo|printf)[ \t]+(?=\S+[ \t]*\|[ \t]*sudo\b)|\bsudo\b[^\n|;<]{0,100}<<<[ \t]*",
    r"\b(?:echo|printf)[ \t]+[\"']?[^\s:]+:(?=[^\s|]+[ \t]*\|[ \t]*(?:sudo[ \t]+)?chpasswd\b)",
    r"\b(?:machine[ \t]+\S+|default)[ \t]+login[ \t]+\S+[ \t]+(?:password|passwd)[ \t]+",
    r"--from-literal[ =][\w.-]+=|\bidentified[ \t]+by[ \t]+|\bkey[ ]content[ \t]*:[ \t]*|<keyMaterial>",
    r"\bsetx[ \t]+(?:/m[ \t]+)?\w{0,40}(?:pass|pwd|secret|token|key)\w{0,40}[ \t]+",
)
_CALL = re.compile(
    rf"(?P<lead>{'|'.join(_LEADS)})(?P<value>\"[^\"]*\"|'[^']*'|[^\s;|]+?(?=</)|[^\s;|]+)", re.IGNORECASE
)
_USER_AT_HOST = re.compile(
    r"""(?P<lead>(?<![\w/:.@-])[\w.\\-]{1,80}:)(?=[^\s"'<>@]{0,100}[^\w\s.+@"'<>-])
    (?P<value>[^\s/"'<>][^\s"'<>]{2,100})(?=@[A-Za-z0-9][\w.-])""",
    re.VERBOSE,
)
"""A user with a password before a host, as in URLs; one of plain characters may as well be part of an address."""


def without_command_secrets(text: str) -> str:
    """A text without what commands were given as secrets."""
    text = _USER_AT_HOST.sub(lambda found: found["lead"] + REDACTED, text)
    return _CALL.sub(lambda found: found["lead"] + in_quotes(found["value"]), text)


def has_command_secret(text: str) -> bool:
    """Whether a command in it was given a secret."""
    return bool(_USER_AT_HOST.search(text) or _CALL.search(text))


def in_quotes(value: str) -> str:
    """What stands in place of a secret, in the quotes that it had."""
    quote = value[0] if value[:1] in {'"', "'"} else ""
    return f"{quote}{REDACTED}{quote}"
