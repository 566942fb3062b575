#compdef luo-sh
# SPDX-License-Identifier: GPL-2.0
#
# Loaded when luo-sh is completed for the first time: luo-sh has the completion
# with its own commands.
source <(luo-sh completion zsh) && _luo_sh
