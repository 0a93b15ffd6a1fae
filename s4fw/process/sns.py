"""Publishes alerts to an Amazon SNS topic through boto3."""

from __future__ import annotations

from typing import Any

from s4fw.config.alerts import Sns
from s4fw.process import aws
from s4fw.process.courier import Letter, NotBrought

TIMEOUT_S = 10
SUBJECT_CHARACTERS_MAX = 99  # docs.aws.amazon.com/sns/latest/api/API_Publish.html: below 100

# What is wrong with the message itself; a topic or a right that is missing may come.
_HOPELESS = frozenset({"InvalidParameter", "InvalidParameterValue", "ValidationError"})


class Topic:
    """One topic.  Made and used in one thread."""

    name = "SNS topic"

    def __init__(self, config: Sns) -> None:
        self._arn = config.topic_arn
        self._client: Any = None

    def bring(self, letter: Letter) -> None:
        """Publish one.  Raises NotBrought."""
        # Only here: they take time and memory that nobody else shall pay for.
        import botocore.exceptions

        try:
            if self._client is None:
                region = self._arn.split(":")[3]
                self._client = aws.client("sns", region, TIMEOUT_S, 0)
            self._client.publish(
                TopicArn=self._arn,
                Subject=letter.title[:SUBJECT_CHARACTERS_MAX],
                Message=letter.body.decode(),
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in (("kind", letter.kind), ("level", letter.level))
                },
            )
        except botocore.exceptions.ClientError as fault:
            code = aws.code_of(fault)
            raise NotBrought(f"SNS answered {code}", code in _HOPELESS) from fault
        except botocore.exceptions.ParamValidationError as fault:
            raise NotBrought("the message was not valid", True) from fault
        except Exception as fault:  # its text may quote what a credential process wrote
            self._client = None
            raise NotBrought(f"SNS was not reached: {type(fault).__name__}") from fault
