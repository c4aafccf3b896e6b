"""The blending detector's network: 193 thousand parameters that see colour and what is left above the low frequencies.

Belongs here: layers. Does not belong here: losses and data.

Layout after EfficientNetV2 (Tan and Le 2021): full convolutions early, where depthwise ones are slow on a CPU, inverted
residuals late. ReLU throughout, because it folds and quantises without surprises.
"""

import torch
from torch import Tensor, nn

RESIDUAL_GAIN = 4.0  # brings the second difference of a natural face to about the spread of its colours
RESIDUAL_LIMIT = 3.0  # keeps a hard edge (hair, glasses) from drowning the skin
BOUNDARY_STRIDE = 8  # the resolution at which training also asks where the blend ends


class Unit(nn.Sequential):
    """Convolution, batch normalisation and, where asked for, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, active: bool = True):
        layers: list[nn.Module] = [
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if active else []))


class Block(nn.Module):
    """An inverted residual: expand, filter, project; `full` filters and expands in one full convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int, full: bool):
        super().__init__()
        hidden = inputs * expansion
        if full:
            units = [Unit(inputs, hidden, 3, stride), Unit(hidden, outputs, 1, active=False)]
        else:
            units = [
                Unit(inputs, hidden, 1),
                Unit(hidden, hidden, 3, stride, groups=hidden),
                Unit(hidden, outputs, 1, active=False),
            ]
        self.units = nn.Sequential(*units)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        out = self.units(x)
        return x + out if self.residual else out


class BlendingNetwork(nn.Module):
    """RGB (n, 3, 176, 176) in -1..1 to a logit (n,) and, for training only, boundary logits (n, 22, 22)."""

    def __init__(self) -> None:
        super().__init__()
        second_difference = torch.tensor([[-1.0, 2.0, -1.0], [2.0, -4.0, 2.0], [-1.0, 2.0, -1.0]]) / 4 * RESIDUAL_GAIN
        kernel = torch.zeros(6, 3, 3, 3)
        for channel in range(3):
            kernel[channel, channel, 1, 1] = 1
            kernel[3 + channel, channel] = second_difference
        self.register_buffer("kernel", kernel)
        self.early = nn.Sequential(
            Unit(6, 16, 3, 2),
            Block(16, 24, 2, 2, full=True),
            Block(24, 24, 1, 2, full=True),
            Block(24, 40, 2, 2, full=True),
            Block(40, 40, 1, 4, full=False),
            Block(40, 40, 1, 4, full=False),
        )
        self.late = nn.Sequential(
            Block(40, 80, 2, 4, full=False),
            Block(80, 80, 1, 4, full=False),
            Block(80, 80, 1, 4, full=False),
        )
        self.boundary = nn.Conv2d(40, 1, 1)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(80, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        early = self.early(self.spread(x))
        pooled = self.late(early).mean((2, 3))
        return self.head(self.dropout(pooled))[:, 0], self.boundary(early)[:, 0]

    def spread(self, x: Tensor) -> Tensor:
        """Colours and residuals (n, 6, 176, 176). Always in float32: the residual is the small difference of large numbers."""
        with torch.autocast(x.device.type, enabled=False):
            return nn.functional.conv2d(x, self.kernel, padding=1).clamp(-RESIDUAL_LIMIT, RESIDUAL_LIMIT)
