# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from PyQt6.QtWidgets import QFormLayout, QWidget
from support.windows import wait_until

from kwallet_bridge.gui.labels import ElidedLabel

pytestmark = pytest.mark.usefixtures("application")


@pytest.mark.parametrize("policy", QFormLayout.FieldGrowthPolicy)
def test_a_short_name_is_whole_in_every_style(policy: QFormLayout.FieldGrowthPolicy) -> None:
    """However a style lets the fields of a form grow, a short name is shown whole."""
    window = QWidget()
    form = QFormLayout(window)
    form.setFieldGrowthPolicy(policy)
    label = ElidedLabel("kdewallet", name="Wallet:")
    form.addRow("Wallet:", label)
    window.resize(600, 100)
    window.show()
    wait_until(window.isVisible)
    assert label.text() == "kdewallet"
    window.close()
