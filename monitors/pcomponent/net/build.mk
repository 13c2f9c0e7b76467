# SPDX-License-Identifier: GPL-2.0-only
# The stub's core also builds as a Linux program; system calls and user memory do not.
HOST_SRCS_monitors/pcomponent += $(addprefix monitors/pcomponent/net/,accept.c close.c connect.c \
	core.c dgram.c dgram_err.c dgram_tx.c dma.c event.c gnm.c inet6.c join.c join_msg.c join_serve.c leg.c \
	open.c opt.c peer.c recv.c rejoin.c rx.c stub.c tx.c tx_ref.c urgent.c tx_record.c way.c)
