"""Advice for operators while a job of the runtime fails again and again."""

from contracts.bilingual import Bilingual

TOPICS = Bilingual(
    "Kafka is unavailable or lacks what the topics need, see the reason in the log; messages wait",
    "Kafka 不可用，或缺少主题所需的条件，原因见日志；消息在等待",
)

REPORT = Bilingual(
    "see the reason in the log; the page of operations shows this process as silent",
    "原因见日志；运行状态页显示本进程无报告",
)

RETENTION = Bilingual(
    "see the reason in the log; nothing is deleted meanwhile, and the database grows",
    "原因见日志；期间不删除数据，数据库会增长",
)

DOCUMENTS = Bilingual(
    "see the reason in the log; meanwhile other services follow the document that was published last",
    "原因见日志；期间其他服务沿用最近发布的文件",
)

TIMERS = Bilingual(
    "see the reason in the log; meanwhile nothing falls due, and nothing is asked again",
    "原因见日志；期间不触发到期，也不再次询问",
)

POLL = Bilingual(
    "the department's system cannot be read, see the reason in the log; what it reports waits there",
    "无法读取部门系统，原因见日志；其报送的内容在对方等待",
)

JOINING = Bilingual(
    "Kafka is unavailable or refuses, see the reason in the log; records wait there",
    "Kafka 不可用或拒绝；记录在 Kafka 等待",
)
