/* SPDX-License-Identifier: GPL-2.0-only */
/* ICRC against values computed by another implementation (tests/vectors/icrc.py: zlib's crc32). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <kern/string.h>
#include "icrc.h"
#include "opcode.h"
#include "wire.h"

#include "icrc_vectors.h"

static void test_check_value(void **state)
{
	/* the well-known check value of CRC-32 */
	assert_int_equal(~icrc_update(~0u, "123456789", 9), 0xcbf43926);
}

static void test_routines_agree(void **state)
{
	uint8_t buf[700];

	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 37 + 11);
	for (unsigned off = 0; off < 17; off++)
		for (unsigned len = 0; len + off <= sizeof(buf); len++) {
			uint32_t a = icrc_slice8(~0u, buf + off, len);

			assert_int_equal(a, icrc_slice16(~0u, buf + off, len));
			assert_int_equal(a, icrc_sparse(~0u, buf + off, len));
			/* in two pieces */
			assert_int_equal(a, icrc_slice16(icrc_slice8(~0u, buf + off, len / 3),
							 buf + off + len / 3, len - len / 3));
		}
}

static void test_vectors(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(icrc_vectors); i++) {
		const struct icrc_vector *v = &icrc_vectors[i];
		const uint8_t *ip = v->frame + 14;
		uint32_t body = v->len - 14 - 40 - 4;
		uint32_t crc = ~icrc_update(icrc_headers(ip), ip + 40, body);

		assert_int_equal(crc, v->icrc);
		assert_memory_equal(&crc, v->frame + v->len - 4, 4); /* low byte first */
	}
}

static void test_masked_fields(void **state)
{
	uint8_t h[40];
	uint32_t crc;
	static const uint8_t masked[] = { 1, 8, 10, 11, 26, 27, 32 };

	for (unsigned i = 0; i < sizeof(h); i++)
		h[i] = (uint8_t)(i * 5);
	crc = icrc_headers(h);
	for (unsigned i = 0; i < sizeof(h); i++) {
		bool is_masked = memchr(masked, (int)i, sizeof(masked));

		h[i] ^= 0x41;
		if (is_masked)
			assert_int_equal(icrc_headers(h), crc);
		else
			assert_int_not_equal(icrc_headers(h), crc);
		h[i] ^= 0x41;
	}
}

/* ---- the opcode table ---- */

static void test_opcode_lengths(void **state)
{
	for (unsigned i = 0; i < ROCE_OPCODES; i++) {
		const struct roce_op *op = roce_op((uint8_t)i);
		unsigned len = sizeof(struct bth);

		if (!op)
			continue;
		len += op->reth ? sizeof(struct reth) : 0;
		len += op->aeth ? sizeof(struct aeth) : 0;
		len += op->imm ? 4 : 0;
		len += op->ieth ? 4 : 0;
		len += op->atomic_eth ? sizeof(struct atomic_eth) : 0;
		len += op->atomic_ack ? sizeof(struct atomic_ack_eth) : 0;
		len += op->deth ? sizeof(struct deth) : 0;
		assert_int_equal(op->hdr_len, len);
		assert_int_equal(!!(op->flags & OPF_RETH), !!op->reth);
		assert_int_equal(!!(op->flags & OPF_AETH), !!op->aeth);
		assert_int_equal(!!(op->flags & OPF_IMM), !!op->imm);
		assert_int_equal(!!(op->flags & OPF_INV), !!op->ieth);
		/* exactly one of request, response, datagram */
		assert_int_equal(!!(op->flags & OPF_REQUEST) + !!(op->flags & OPF_RESPONSE) +
				 !!(op->flags & OPF_UD), 1);
	}
}

static void test_opcode_numbers(void **state)
{
	/* IBTA table 38 */
	assert_int_equal(RC_SEND_ONLY, 0x04);
	assert_int_equal(RC_WRITE_ONLY, 0x0a);
	assert_int_equal(RC_READ_REQUEST, 0x0c);
	assert_int_equal(RC_READ_RESP_ONLY, 0x10);
	assert_int_equal(RC_ACK, 0x11);
	assert_int_equal(RC_ATOMIC_ACK, 0x12);
	assert_int_equal(RC_FETCH_ADD, 0x14);
	assert_int_equal(RC_SEND_ONLY_INV, 0x17);
	assert_int_equal(UD_SEND_ONLY, 0x64);
	assert_null(roce_op(0x15));
	assert_null(roce_op(0x18));
	assert_null(roce_op(0xff));
}

static void test_psn_arithmetic(void **state)
{
	assert_int_equal(psn_add(0xffffff, 1), 0);
	assert_int_equal(psn_diff(0, 0xffffff), 1);
	assert_int_equal(psn_diff(0xffffff, 0), -1);
	assert_int_equal(psn_diff(0x800000, 0), -0x800000);
	assert_int_equal(psn_diff(5, 5), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_value), cmocka_unit_test(test_routines_agree),
		cmocka_unit_test(test_vectors), cmocka_unit_test(test_masked_fields),
		cmocka_unit_test(test_opcode_lengths), cmocka_unit_test(test_opcode_numbers),
		cmocka_unit_test(test_psn_arithmetic),
	};

	icrc_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
