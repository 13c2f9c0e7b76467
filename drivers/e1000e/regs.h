/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers and descriptors of the 82574L, in the order of the datasheet (Intel 82574 GbE
 * Controller Family Datasheet, rev. 3.4, chapter 10), those that this driver uses.
 *
 * RW read and write, RO read only, WO write only, RC cleared by reading, W1C cleared by writing a
 * one.
 */
#pragma once

#include <kern/types.h>

/* ---- 10.2.2 general ---- */
#define E1000E_CTRL 0x00000      /* RW device control */
#define CTRL_FD (1u << 0)
#define CTRL_GIO_MASTER_DISABLE (1u << 2)
#define CTRL_SLU (1u << 6)
#define CTRL_FRCSPD (1u << 11)
#define CTRL_FRCDPLX (1u << 12)
#define CTRL_RST (1u << 26)
#define CTRL_RFCE (1u << 27)
#define CTRL_TFCE (1u << 28)
#define E1000E_STATUS 0x00008    /* RO device status */
#define STATUS_FD (1u << 0)
#define STATUS_LU (1u << 1)
#define STATUS_GIO_MASTER_ENABLE (1u << 19)
#define E1000E_EEC 0x00010       /* RW EEPROM control */
#define EEC_AUTO_RD (1u << 9)    /* RO: registers have been loaded from the EEPROM */
#define E1000E_EERD 0x00014      /* RW EEPROM read */
#define EERD_START (1u << 0)
#define EERD_DONE (1u << 1)
#define EERD_ADDR_SHIFT 2
#define EERD_DATA_SHIFT 16
#define E1000E_CTRL_EXT 0x00018  /* RW extended control */
#define CTRL_EXT_EIAME (1u << 24)
#define CTRL_EXT_IAME (1u << 27)
#define CTRL_EXT_PBA_CLR (1u << 31)
#define E1000E_MDIC 0x00020      /* RW PHY access */
#define MDIC_REG_SHIFT 16
#define MDIC_PHY_SHIFT 21
#define MDIC_OP_READ (2u << 26)
#define MDIC_READY (1u << 28)
#define MDIC_ERROR (1u << 30)
#define E1000E_FCAL 0x00028      /* RW flow control address, low */
#define E1000E_FCAH 0x0002c      /* RW flow control address, high */
#define E1000E_FCT 0x00030       /* RW flow control type */
#define E1000E_FCTTV 0x00170     /* RW flow control transmit timer */
#define E1000E_PBA 0x01000       /* RW packet buffer: receive KiB in 15:0, transmit in 31:16 */

/* ---- 10.2.4 interrupts ---- */
#define E1000E_ICR 0x000c0       /* RC/W1C causes */
#define E1000E_ICS 0x000c8       /* WO sets causes */
#define E1000E_IMS 0x000d0       /* RW mask: ones enable */
#define E1000E_IMC 0x000d8       /* WO ones disable */
#define INT_LSC (1u << 2)
#define INT_RXO (1u << 6)
#define INT_RXQ0 (1u << 20)
#define INT_TXQ0 (1u << 22)
#define INT_OTHER (1u << 24)
#define E1000E_EIAC 0x000dc      /* RW causes cleared by sending their message */
#define E1000E_IAM 0x000e0       /* RW causes masked by reading ICR */
#define E1000E_IVAR 0x000e4      /* RW cause to MSI-X entry, 4 bits each */
#define IVAR_VALID 8u
#define IVAR_RXQ0_SHIFT 0
#define IVAR_TXQ0_SHIFT 8
#define IVAR_OTHER_SHIFT 16
#define E1000E_EITR(n) (0x000e8 + 4 * (n)) /* RW least interval of MSI-X entry n, 256 ns units */
#define E1000E_VECTORS 5

/* ---- 10.2.5 receive ---- */
#define E1000E_RCTL 0x00100      /* RW receive control */
#define RCTL_EN (1u << 1)
#define RCTL_LPE (1u << 5)
#define RCTL_LBM_MAC (1u << 6)
#define RCTL_BAM (1u << 15)
#define RCTL_BSIZE_2048 (0u << 16)
#define RCTL_SECRC (1u << 26)
#define RCTL_FLXBUF_SHIFT 27     /* 4 bits: buffer size in KiB; not 0: BSIZE is ignored */
#define E1000E_RDBAL 0x02800     /* RW ring base, low */
#define E1000E_RDBAH 0x02804     /* RW ring base, high */
#define E1000E_RDLEN 0x02808     /* RW ring bytes, multiple of 128 */
#define E1000E_RDH 0x02810       /* RW head: the device's */
#define E1000E_RDT 0x02818       /* RW tail: first entry that the device may not use */
#define E1000E_RXDCTL 0x02828    /* RW receive descriptor control */
#define RXDCTL_WTHRESH_SHIFT 16
#define RXDCTL_GRAN (1u << 24)
#define E1000E_RXCSUM 0x05000    /* RW receive checksum control */
#define RXCSUM_IPOFL (1u << 8)
#define RXCSUM_TUOFL (1u << 9)
#define E1000E_RFCTL 0x05008     /* RW receive filter; EXTEN 0: legacy descriptors */
#define RFCTL_ACK_DIS (1u << 12)
#define E1000E_MTA(n) (0x05200 + 4 * (n)) /* RW multicast table */
#define E1000E_MTA_WORDS 128
#define E1000E_RAL(n) (0x05400 + 8 * (n)) /* RW station address, low */
#define E1000E_RAH(n) (0x05404 + 8 * (n)) /* RW station address, high */
#define RAH_AV (1u << 31)
#define E1000E_RA_ENTRIES 16

/* ---- 10.2.6 transmit ---- */
#define E1000E_TCTL 0x00400      /* RW transmit control */
#define TCTL_EN (1u << 1)
#define TCTL_PSP (1u << 3)
#define TCTL_CT_SHIFT 4
#define TCTL_COLD_SHIFT 12
#define E1000E_TIPG 0x00410      /* RW inter-packet gap */
#define TIPG_DEFAULT 0x00602008u /* the values recommended for 802.3 */
#define E1000E_TDBAL 0x03800     /* RW ring base, low */
#define E1000E_TDBAH 0x03804     /* RW ring base, high */
#define E1000E_TDLEN 0x03808     /* RW ring bytes, multiple of 128 */
#define E1000E_TDH 0x03810       /* RW head: the device's */
#define E1000E_TDT 0x03818       /* RW tail: first entry that the device may not use */
#define E1000E_TXDCTL 0x03828    /* RW transmit descriptor control */
#define TXDCTL_COUNT_DESC (1u << 22) /* reserved bit that "should be set to 1" */
#define TXDCTL_GRAN (1u << 24)

/* ---- 10.2.7 statistics, all RC ---- */
#define E1000E_CRCERRS 0x04000
#define E1000E_RXERRC 0x0400c
#define E1000E_MPC 0x04010       /* no room in the packet buffer */
#define E1000E_RLEC 0x04040
#define E1000E_GPRC 0x04074
#define E1000E_GPTC 0x04080
#define E1000E_RNBC 0x040a0      /* no receive descriptor */
#define E1000E_RUC 0x040a4
#define E1000E_ROC 0x040ac
#define E1000E_RJC 0x040b0
#define E1000E_TPR 0x040d0
#define E1000E_TPT 0x040d4
#define E1000E_TSCTC 0x040f8

/* ---- 7.1.4 receive descriptor, legacy: the device writes the second half back ---- */
struct e1000e_rxd {
	uint64_t addr;
	uint16_t len;
	uint16_t csum;
	uint8_t status;
	uint8_t errors;
	uint16_t special;
};
#define RXD_DD 0x01
#define RXD_EOP 0x02
#define RXD_IXSM 0x04            /* checksum indications are to be ignored */
#define RXD_UDPCS 0x10
#define RXD_TCPCS 0x20
#define RXD_IPCS 0x40
#define RXD_ERR_FRAME 0x97       /* CE, SE, SEQ, CXE, RXE */
#define RXD_ERR_TCPE 0x20
#define RXD_ERR_IPE 0x40

/*
 * ---- 7.2.6, 7.2.9 transmit descriptors, context and data: one or the other in a ring entry ----
 */
union e1000e_txd {
	struct {
		uint8_t ipcss, ipcso;
		uint16_t ipcse;
		uint8_t tucss, tucso;
		uint16_t tucse;
		uint32_t cmd_len;      /* PAYLEN 19:0, DTYP 23:20, TUCMD 31:24 */
		uint8_t status, hdrlen;
		uint16_t mss;
	} ctx;
	struct {
		uint64_t addr;
		uint32_t cmd_len;      /* DTALEN 19:0, DTYP 23:20, DCMD 31:24 */
		uint8_t status, popts;
		uint16_t vlan;
	} data;
};
static_assert(sizeof(struct e1000e_rxd) == 16, "7.1.4");
static_assert(sizeof(union e1000e_txd) == 16, "7.2.6");

#define TXD_DTYP_DATA (1u << 20)
#define TXD_CMD_EOP (1u << 24)
#define TXD_CMD_IFCS (1u << 25)
#define TXD_CMD_TSE (1u << 26)
#define TXD_CMD_RS (1u << 27)
#define TXD_CMD_DEXT (1u << 29)
#define TXD_TUCMD_TCP (1u << 24)
#define TXD_TUCMD_IP (1u << 25)
#define TXD_STATUS_DD 0x01
#define TXD_POPTS_IXSM 0x01
#define TXD_POPTS_TXSM 0x02
