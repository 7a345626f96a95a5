"""Texts that somebody chose to do harm, or that merely look strange: names, accounts, keys."""

NAUGHTY = {
    "right to left override": "invoice\u202egpj.exe",
    "isolates": "\u2066a\u2069\u2067b\u2069",
    "arabic and latin": "تدوير web-01 السجلات",
    "zero width": "ad\u200bmin\u200d\u2060\ufeff",
    "four bytes": "🗄️ backup 𝔘𝔫𝔦 👩‍👩‍👧‍👦",
    "combining": "Z" + "\u0301\u0337\u0489" * 60,
    "sql": "'; drop table awp_job_execution; --",
    "html": '"><script>alert(1)</script><img src=x onerror=alert(1)>',
    "template": "{{ 7 * 7 }} {% raw %} ${7*7} #{7*7}",
    "percent": "%s%n%(x)s %d {0} {job_id}",
    "backslashes": "C:\\new\\table\\u0041 \\0",
    "forged line": "a\n2026-01-01T00:00:00 ERROR action=forged\r\n",
    "terminal": "\x1b[2J\x1b]0;taken\x07\x08",
    "formula": '=HYPERLINK("http://127.0.0.1/","x")',
    "separators": 'a,b;c\t"d"\u2028e\u2029f',
    "path": "../../etc/passwd\\..\\..",
    "like": "100%_of_\\%",
    "number": "1e309",
    "null": "null",
    "blank": " \u00a0\u3000 ",
    "long": "長" * 10_000,
}
"""By what is odd about each. All can be stored; NUL and half a character are `POISON` elsewhere."""
