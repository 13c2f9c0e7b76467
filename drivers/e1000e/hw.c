/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 82574L: reset, EEPROM, PHY, station address, link (datasheet 4.6, 3.3, 8.5).
 *
 * Called from probe in thread context; e1000e_link_up() from anywhere. Every wait has a limit.
 */
#define LOG_SUBSYS "e1000e"
#include "e1000e.h"

#include <kern/log.h>
#include <kern/string.h>
#include <kern/timer.h>

#define POLL_US 5

/* Waits until (reg & mask) == want. 0 or -ETIMEDOUT. */
static int wait_bits(struct e1000e *e, unsigned reg, uint32_t mask, uint32_t want,
		     unsigned limit_us)
{
	for (unsigned us = 0; us <= limit_us; us += POLL_US) {
		if ((e1000e_read(e, reg) & mask) == want)
			return 0;
		delay_us(POLL_US);
	}
	return -ETIMEDOUT;
}

static void mask_interrupts(struct e1000e *e)
{
	e1000e_write(e, E1000E_IMC, 0xffffffffu);
	(void)e1000e_read(e, E1000E_ICR); /* RC: nothing from before is pending */
}

/*
 * 4.6.3, 5.2.5: quiet the engines and the bus, then a full device reset, interrupts off after it.
 */
int e1000e_hw_reset(struct e1000e *e)
{
	mask_interrupts(e);
	e1000e_write(e, E1000E_RCTL, 0);
	e1000e_write(e, E1000E_TCTL, 0);
	e1000e_write(e, E1000E_CTRL, e1000e_read(e, E1000E_CTRL) | CTRL_GIO_MASTER_DISABLE);
	if (wait_bits(e, E1000E_STATUS, STATUS_GIO_MASTER_ENABLE, 0, 1000))
		log_warn("%s: requests still pending before reset", e->dev.name);
	e1000e_write(e, E1000E_CTRL, e1000e_read(e, E1000E_CTRL) | CTRL_RST);
	delay_us(5); /* 10.2.2.1: no access within 1 us */
	int err = wait_bits(e, E1000E_CTRL, CTRL_RST, 0, 10000);
	if (!err)
		err = wait_bits(e, E1000E_EEC, EEC_AUTO_RD, EEC_AUTO_RD, 20000);
	mask_interrupts(e);
	return err;
}

/* 3.3.5 */
int e1000e_eeprom_read(struct e1000e *e, unsigned word, uint16_t *out)
{
	e1000e_write(e, E1000E_EERD, word << EERD_ADDR_SHIFT | EERD_START);
	int err = wait_bits(e, E1000E_EERD, EERD_DONE, EERD_DONE, 5000);
	*out = (uint16_t)(e1000e_read(e, E1000E_EERD) >> EERD_DATA_SHIFT);
	return err;
}

/* 10.2.2.7: the PHY has address 1. */
int e1000e_phy_read(struct e1000e *e, unsigned reg, uint16_t *out)
{
	e1000e_write(e, E1000E_MDIC, MDIC_OP_READ | 1u << MDIC_PHY_SHIFT | reg << MDIC_REG_SHIFT);
	int err = wait_bits(e, E1000E_MDIC, MDIC_READY, MDIC_READY, 2000);
	uint32_t v = e1000e_read(e, E1000E_MDIC);
	*out = (uint16_t)v;
	if (!err && (v & MDIC_ERROR))
		err = -EIO;
	return err;
}

static bool mac_is_usable(const uint8_t *m)
{
	bool zero = !(m[0] | m[1] | m[2] | m[3] | m[4] | m[5]);
	return !zero && !(m[0] & 1);
}

/* 10.2.5: reset loads the first station address from words 0 to 2 of the EEPROM. */
int e1000e_hw_read_mac(struct e1000e *e, uint8_t *mac)
{
	uint32_t low = e1000e_read(e, E1000E_RAL(0)), high = e1000e_read(e, E1000E_RAH(0));
	memcpy(mac, &low, 4);
	memcpy(mac + 4, &high, 2);
	if ((high & RAH_AV) && mac_is_usable(mac))
		return 0;
	for (unsigned i = 0; i < 3; i++) {
		uint16_t word;
		int err = e1000e_eeprom_read(e, i, &word);
		if (err)
			return err;
		memcpy(mac + 2 * i, &word, 2);
	}
	return mac_is_usable(mac) ? 0 : -EINVAL;
}

/* 4.6.5: own address and broadcast pass, nothing else. */
void e1000e_hw_init_filters(struct e1000e *e)
{
	uint32_t low = 0, high = 0;
	memcpy(&low, e->dev.mac, 4);
	memcpy(&high, e->dev.mac + 4, 2);
	e1000e_write(e, E1000E_RAL(0), low);
	e1000e_write(e, E1000E_RAH(0), high | RAH_AV);
	for (unsigned i = 1; i < E1000E_RA_ENTRIES; i++) {
		e1000e_write(e, E1000E_RAH(i), 0);
		e1000e_write(e, E1000E_RAL(i), 0);
	}
	for (unsigned i = 0; i < E1000E_MTA_WORDS; i++)
		e1000e_write(e, E1000E_MTA(i), 0);
}

/* 4.6.4: the PHY negotiates by itself after reset; the MAC takes speed and duplex from it. */
void e1000e_hw_set_link_up(struct e1000e *e)
{
	uint32_t ctrl = e1000e_read(e, E1000E_CTRL);
	ctrl &= ~(CTRL_FRCSPD | CTRL_FRCDPLX | CTRL_RFCE | CTRL_TFCE | CTRL_GIO_MASTER_DISABLE);
	e1000e_write(e, E1000E_CTRL, ctrl | CTRL_SLU | CTRL_FD);
	e1000e_write(e, E1000E_FCAL, 0);
	e1000e_write(e, E1000E_FCAH, 0);
	e1000e_write(e, E1000E_FCT, 0);
	e1000e_write(e, E1000E_FCTTV, 0);
}

bool e1000e_link_up(struct netdev *dev)
{
	struct e1000e *e = dev->priv;
	return e1000e_read(e, E1000E_STATUS) & STATUS_LU;
}
