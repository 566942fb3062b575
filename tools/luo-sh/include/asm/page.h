/* SPDX-License-Identifier: GPL-2.0 */
/* For the headers of the hand-over. How large a page is, is known when we run. */
#include <linux/compiler.h>
