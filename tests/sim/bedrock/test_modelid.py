"""What paths name."""

import pytest

from s4fw.sim.bedrock.modelid import family, native, priced, split

ID = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = "arn:aws:bedrock:us-east-1:1:inference-profile/" + ID


@pytest.mark.parametrize("sent", [ARN, ARN.replace(":", "%3A").replace("/", "%2F")])
def test_split_reads_raw_and_encoded_ids(sent: str) -> None:
    """SDKs differ in what they encode."""
    assert split(f"/model/{sent}/converse") == (ARN, "converse")


def test_names_of_a_model() -> None:
    """The price knows the geography, the family does not, the model calls itself by less."""
    assert priced(ARN) == ID
    assert family(ARN) == "anthropic.claude-sonnet-4-5-20250929-v1:0"
    assert native(ARN) == "claude-sonnet-4-5-20250929"
    assert family("amazon.nova-lite-v1:0") == "amazon.nova-lite-v1:0"
