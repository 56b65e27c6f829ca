"""The words of the front's own pages, in English and Chinese."""

from collections.abc import Mapping

from contracts.bilingual import Language

TEXTS: Mapping[str, tuple[str, str]] = {
    "page.start": ("To the first page", "返回首页"),
    "login.again": ("Log in", "登录"),
    "login.title": ("A login is needed", "需要登录"),
    "login.needed": (
        "There is no session, or it has ended. People log in at /session/login; programs send Authorization: Bearer, "
        "and no session cookie.",
        "没有会话，或会话已结束。人员请在 /session/login 登录；程序请发送 Authorization: Bearer，且不带会话 Cookie。",
    ),
    "ended.title": ("Your login has ended", "登录已结束"),
    "ended.idle": (
        "It was not used for {minutes} min. Nothing that was sent before is lost.",
        "已有 {minutes} 分钟没有操作。此前提交的内容均已保存。",
    ),
    "ended.too-long": (
        "A login lasts {hours} h at most. Nothing that was sent before is lost.",
        "一次登录最长 {hours} 小时。此前提交的内容均已保存。",
    ),
    "ended.refused": (
        "The issuer of logins renews it no more: it was ended elsewhere, or your account was disabled. If you cannot "
        "log in, ask the administrator of your centre.",
        "登录签发方不再延续您的登录：可能已在别处退出，或账号已停用。如无法登录，请咨询本中心的管理员。",
    ),
    "resend.title": ("Not sent yet: your login has ended", "尚未提交：登录已结束"),
    "resend.text": (
        "What you typed is still here, and has not been saved. Log in in a new tab, come back to this page, and send "
        "it again.",
        "您填写的内容仍在本页，尚未保存。请在新标签页登录，再回到本页重新提交。",
    ),
    "resend.log_in": ("1. Log in in a new tab", "1. 在新标签页登录"),
    "resend.send": ("2. Send again", "2. 重新提交"),
    "resend.reload": (
        "2. Come back to this page and reload it. The browser asks whether to send the form again: confirm.",
        "2. 回到本页并刷新。浏览器询问是否重新提交表单时，请确认。",
    ),
    "done.title": ("You are logged in", "您已登录"),
    "done.text": (
        "Close this tab, go back to the page where you were, and send the form again.",
        "请关闭本标签页，回到原来的页面重新提交。",
    ),
    "out.title": ("You have logged out", "您已退出登录"),
    "out.text": ("This computer shows nothing of yours any more.", "本机不再显示您的任何信息。"),
    "foreign.title": ("Refused: sent from another site", "已拒绝：请求来自其他网站"),
    "foreign.text": (
        "Nothing has been changed. A form may be sent from its own page at {address} alone. Open that page there, and "
        "send it again.",
        "没有任何变更。表单只能在 {address} 的页面上提交。请打开该页面后重新提交。",
    ),
    "failed.title": ("The login could not be completed", "登录未能完成"),
    "failed.state": (
        "It took longer than ten minutes, was completed already, or began in another browser or at another address. "
        "Begin again.",
        "登录用时超过十分钟、已经完成，或是在其他浏览器或地址开始的。请重新登录。",
    ),
    "failed.refused": (
        "The issuer of logins has refused it ({code}). Begin again; if it is refused again, tell the administrator of "
        "your centre this code.",
        "登录签发方已拒绝（{code}）。请重新登录；如再次被拒，请将该代码告知本中心的管理员。",
    ),
    "failed.invalid": (
        "The issuer's answer proves nothing, and was not used. Begin again; if it happens again, tell the "
        "administrator of your centre.",
        "登录签发方的答复未能通过验证，未予采用。请重新登录；如再次发生，请告知本中心的管理员。",
    ),
    "wall.title": ("Open the wall display", "打开大屏"),
    "wall.text": (
        "Type the code that 'onedoor wall add' has printed. It opens the display in this browser, and nothing else.",
        "请键入 onedoor wall add 显示的开屏码。本浏览器随后只显示大屏，不能打开其他页面。",
    ),
    "wall.code": ("Code", "开屏码"),
    "wall.open": ("Open", "打开"),
    "wall.wrong": (
        "The code is wrong, was typed before, or is older than 15 minutes. Check it, or have a new one made.",
        "开屏码有误、已经用过，或已超过 15 分钟。请核对，或重新生成。",
    ),
    "wall.issuer": (
        "The issuer of logins does not answer, or does not know the program of this display. Type the code again in a "
        "minute; if it lasts, tell the administrator of your centre.",
        "登录签发方没有应答，或不认识此大屏的程序。请一分钟后再键入；如仍不行，请告知本中心的管理员。",
    ),
    "wall-only.title": ("This display shows the wall alone", "此屏只显示大屏"),
    "wall-only.text": (
        "Its session opens no other page. Log in to open this page in another browser.",
        "其会话不能打开其他页面。请在其他浏览器登录后打开。",
    ),
    "issuer.title": ("Logins are not available now", "暂时无法登录"),
    "issuer.text": (
        "The issuer of logins or the database of sessions does not answer. What was sent before is saved, and your "
        "login goes on. Try again in a minute; if it lasts, tell the administrator of your centre.",
        "登录签发方或会话数据库没有应答。此前提交的内容已保存，登录仍然有效。请一分钟后重试；如仍不行，请告知本中心的管理员。",
    ),
    "missing.title": ("There is no such page", "没有这个页面"),
    "missing.text": ("Check the address, or begin at the first page.", "请核对地址，或从首页开始。"),
    "path.title": ("This address cannot be used", "无法使用该地址"),
    "path.text": (
        "It has double slashes, dots or encoded slashes in its path. Write the path without them.",
        "路径中有连续的斜杠、点或转义的斜杠。请去掉后再试。",
    ),
    "away.title": ("This part is not available now", "该部分暂时无法使用"),
    "away.text": (
        "{service} does not answer. What was sent before is saved; whether the latest was, the page shows once it is "
        "back. Try again in a minute; if it goes on, tell the administrator of your centre.",
        "{service} 没有应答。此前提交的内容已保存；最近一次是否保存，恢复后页面会显示。请一分钟后重试；如仍不行，"
        "请告知本中心的管理员。",
    ),
    "slow.title": ("This takes too long", "用时过长"),
    "slow.text": (
        "{service} has not answered within {seconds} s. Ask for less, such as a shorter period, or try again in "
        "a minute. Before you send a form again, look whether it was saved.",
        "{service} 在 {seconds} 秒内没有应答。请缩小查询范围（例如更短的时段），或一分钟后重试。再次提交表单前，"
        "请先查看是否已保存。",
    ),
    "request.title": ("This request cannot be used", "无法使用该请求"),
    "request.text": (
        "A header is given more than once, or its method or protocol is not offered here. Send each header once, and "
        "no WebSocket.",
        "请求头重复，或此处不支持该方法或协议。每个请求头只发送一次，不使用 WebSocket。",
    ),
}


def text_of(language: Language, key: str, **values: object) -> str:
    """The text of this key."""
    en, zh = TEXTS[key]
    return (zh if language == "zh" else en).format(**values)
