"""The words of the pages, in English and Chinese."""

from collections.abc import Mapping
from typing import Literal

Language = Literal["zh", "en"]

TEXTS: Mapping[str, tuple[str, str]] = {
    "login.title": ("Log in", "登录"),
    "login.passkey": ("Log in with a passkey", "用通行密钥登录"),
    "login.or_password": ("Or with your password", "或使用密码"),
    "login.person": ("Account", "账号"),
    "login.password": ("Password", "密码"),
    "login.submit": ("Log in", "登录"),
    "login.forgotten": (
        "No account, or the password is forgotten? The administrator of your centre gives you a link to enrol.",
        "没有账号或忘记密码？请向本中心的管理员索取登记链接。",
    ),
    "ended.logout": ("You have logged out.", "您已退出登录。"),
    "ended.idle": (
        "You were logged out, since the login was not used for a while. Log in again; you return to where you were.",
        "因一段时间没有操作，您已被退出。请重新登录，之后会回到原来的页面。",
    ),
    "ended.too-long": (
        "You were logged out, since a login lasts a working day at most. Log in again.",
        "登录最长为一个工作日，您已被退出。请重新登录。",
    ),
    "ended.disabled": (
        "You were logged out by the administrator of your centre. Ask there.",
        "您已被本中心的管理员退出登录。请向其咨询。",
    ),
    "ended.password": (
        "You were logged out, since your password or passkey was set anew. Log in with it.",
        "您的密码或通行密钥已重新设置，请用新的登录。",
    ),
    "ended.replaced": (
        "Another login in this browser has replaced yours. Log in again.",
        "本浏览器中已有新的登录。请重新登录。",
    ),
    "error.word": ("Error: ", "错误："),
    "error.credentials": (
        "Account and password do not match, or the account may not log in. Check both, or ask for a new link to enrol.",
        "账号与密码不符，或该账号不能登录。请核对，或索取新的登记链接。",
    ),
    "error.passkey": (
        "This passkey is not known here, or it took too long. Try again, or use your password.",
        "此处不认识该通行密钥，或操作超时。请重试或使用密码。",
    ),
    "error.wait": (
        "Too many attempts. The next one is possible in {seconds} seconds.",
        "尝试次数过多。{seconds} 秒后可再试。",
    ),
    "error.form": (
        "The form was open for too long, or came from another page. Send it once more.",
        "表单打开过久或来自其他页面。请再提交一次。",
    ),
    "error.enrolment": (
        "This code is wrong, was used already, or is older than 72 hours. Ask for a new link.",
        "登记码有误、已使用或已超过 72 小时。请索取新的链接。",
    ),
    "error.repeat": ("The two passwords differ; type the same twice.", "两次输入的密码不一致，请重新输入。"),
    "error.user_code": (
        "No program waits with this code. Check it, or start the command again for a new one.",
        "没有程序在等待该代码。请核对，或重新运行命令取得新代码。",
    ),
    "error.title": ("This login cannot go on", "无法继续登录"),
    "error.client": (
        "The program that sent you here asked in a way that is not allowed. Nothing has happened. Go back to it and "
        "try again; if this page comes again, tell its administrator:",
        "引导您到此的程序请求有误，没有任何变更。请返回重试；如仍出现本页，请将以下内容告知管理员：",
    ),
    "enrol.title": ("Set up your login", "设置登录方式"),
    "enrol.intro": (
        "The code from the administrator works once, within 72 hours. Choose a passkey or a password.",
        "管理员给您的登记码在 72 小时内有效，只能用一次。请选择通行密钥或密码。",
    ),
    "enrol.code": ("Code", "登记码"),
    "enrol.passkey": ("Set up a passkey", "设置通行密钥"),
    "enrol.or_password": ("Or choose a password", "或设置密码"),
    "enrol.password": ("New password", "新密码"),
    "enrol.rules": ("At least 12 characters. A sentence is easy to remember.", "至少 12 个字符。可用一句好记的话。"),
    "enrol.repeat": ("The same once more", "再输入一次"),
    "enrol.submit": ("Set the password", "设置密码"),
    "enrolled.title": ("Your login is ready", "登录方式已设置"),
    "enrolled.text": ("You are logged in as {name}. You can close this page.", "您已登录：{name}。可以关闭本页。"),
    "device.title": ("Connect a program", "连接程序"),
    "device.intro": (
        "Type the code that the program shows. Only connect a program that you have started yourself.",
        "请输入程序显示的代码。只连接您自己启动的程序。",
    ),
    "device.code": ("Code of the program", "程序代码"),
    "device.submit": ("Continue…", "继续…"),
    "device.confirm": (
        "{program} will act in your name, {name}, until your login ends.",
        "{program}将以您（{name}）的名义办理业务，直至登录结束。",
    ),
    "device.warning": (
        "If somebody else gave you this code, refuse: he would act in your name.",
        "如果代码是别人给您的，请拒绝：对方将能以您的名义办理。",
    ),
    "device.allow": ("Connect", "连接"),
    "device.deny": ("Refuse", "拒绝"),
    "device.allowed": ("The program is connected. Go back to it.", "程序已连接，请返回程序。"),
    "device.denied": ("The program is not connected.", "程序未连接。"),
    "logout.title": ("Log out", "退出登录"),
    "logout.text": ("You are logged in as {name}. Log out of everything?", "您已登录：{name}。是否退出全部登录？"),
    "logout.submit": ("Log out", "退出登录"),
    "logout.done": ("You have logged out.", "您已退出登录。"),
    "page.language": ("中文", "English"),
    "page.name": ("One door", "一门通"),
}


def text_of(language: Language, key: str, **values: object) -> str:
    """The text of this key."""
    en, zh = TEXTS[key]
    return (zh if language == "zh" else en).format(**values)


def language_of(cookie: str | None, accepted: str) -> Language:
    """The language of a page: of the cookie, or the first of the browser's that there is, else Chinese."""
    if cookie in ("zh", "en"):
        return cookie  # type: ignore[return-value]
    for part in accepted.lower().split(","):
        match part.strip()[:2]:
            case "zh":
                return "zh"
            case "en":
                return "en"
    return "zh"
