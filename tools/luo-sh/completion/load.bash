# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Loaded when luo-sh is completed for the first time: luo-sh has the completion
# with its own commands.
# shellcheck source=/dev/null
! command -v luo-sh >/dev/null || . <(luo-sh completion bash)
