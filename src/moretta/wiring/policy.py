"""What the configured policy refuses, with the rule of law behind it.

Belongs here: the switch for facial expression. Sensitive attributes have no switch: nothing here can turn one on.
"""

from typing import NoReturn

from moretta.core.errors import PolicyProhibited


def refuse_expression() -> NoReturn:
    """Refuse the feature `expression`.

    Raises:
        PolicyProhibited: always.
    """
    raise PolicyProhibited(
        "expected no request for facial expression: inferring emotion is off unless the operator allows it for a lawful "
        "purpose with MORETTA_ALLOW_EXPRESSION=true; leave `expression` out of the features",
        legal_ref="Regulation (EU) 2024/1689, Art. 5(1)(f)",
    )
