/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The static ACPI tables: RSDP, RSDT or XSDT, MADT (CPUs and interrupt controllers), FADT (clock).
 * Read once at boot, while the direct map covers the first 4 GiB; what is wanted is copied to
 * acpi_info. Tables come from firmware: each is checked for length and checksum and skipped
 * when bad. Left out: AML, hence everything it describes.
 */
#define LOG_SUBSYS "acpi"
#include <kern/log.h>
#include <kern/string.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

struct acpi_info acpi_info;

struct sdt { /* ACPI 5.2.6 */
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[26];
} __packed;
static_assert(sizeof(struct sdt) == 36, "ACPI table header");

struct rsdp { /* 5.2.5.3 */
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt, length;
	uint64_t xsdt;
	uint8_t checksum2, reserved[3];
} __packed;
static_assert(sizeof(struct rsdp) == sizeof(boot_info.rsdp), "RSDP");

struct madt_entry { uint8_t type, length; } __packed;
struct madt_lapic { struct madt_entry e; uint8_t uid, id; uint32_t flags; } __packed;
struct madt_ioapic { struct madt_entry e; uint8_t id, reserved; uint32_t phys, gsi_base; } __packed;
struct madt_override {
	struct madt_entry e;
	uint8_t bus, irq;
	uint32_t gsi;
	uint16_t flags;
} __packed;
struct madt_x2apic { struct madt_entry e; uint16_t reserved; uint32_t id, flags, uid; } __packed;
#define MADT_HEADER 44
#define MADT_LAPIC_ENABLED 1u

#define FADT_PM_TIMER 76
#define FADT_CENTURY 108
#define FADT_FLAGS 112
#define FADT_MIN (FADT_FLAGS + 4)
#define FADT_TIMER_32BIT (1u << 8)

static bool sum_is_zero(const void *p, size_t n)
{
	uint8_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += ((const uint8_t *)p)[i];
	return sum == 0;
}

static const struct sdt *table_at(uint64_t phys)
{
	const struct sdt *t = (const struct sdt *)(DIRECT_MAP + phys);

	if (phys == 0 || phys > (1ULL << 32) - (1 << 20))
		return NULL;
	if (t->length < sizeof(*t) || t->length > 1 << 20 || !sum_is_zero(t, t->length))
		return NULL;
	return t;
}

/* QEMU's PVH loader and GRUB hand the RSDP over; other loaders leave it to a search (5.2.5.1). */
static bool find_rsdp(struct rsdp *out)
{
	if (boot_info.have_rsdp) {
		memcpy(out, boot_info.rsdp, sizeof(*out));
		return !memcmp(out->signature, "RSD PTR ", 8) && sum_is_zero(out, 20);
	}
	for (uint64_t a = 0xe0000; a < 0x100000; a += 16) {
		memcpy(out, (const void *)(DIRECT_MAP + a), sizeof(*out));
		if (!memcmp(out->signature, "RSD PTR ", 8) && sum_is_zero(out, 20))
			return true;
	}
	return false;
}

static void add_cpu(uint32_t apic_id, uint32_t flags)
{
	if (!(flags & MADT_LAPIC_ENABLED))
		return;
	if (acpi_info.ncpu == MAX_CPUS) {
		log_warn("more than %d CPUs: the rest stays off", MAX_CPUS);
		return;
	}
	acpi_info.apic_id[acpi_info.ncpu++] = apic_id;
}

static void parse_madt_entry(const struct madt_entry *e)
{
	switch (e->type) {
	case 0:
		if (e->length >= sizeof(struct madt_lapic)) {
			const struct madt_lapic *l = (const void *)e;
			add_cpu(l->id, l->flags);
		}
		break;
	case 1:
		if (e->length >= sizeof(struct madt_ioapic) &&
		    acpi_info.nioapic < ARRAY_SIZE(acpi_info.ioapic)) {
			const struct madt_ioapic *io = (const void *)e;
			acpi_info.ioapic[acpi_info.nioapic].phys = io->phys;
			acpi_info.ioapic[acpi_info.nioapic++].gsi_base = io->gsi_base;
		}
		break;
	case 2:
		if (e->length >= sizeof(struct madt_override)) {
			const struct madt_override *o = (const void *)e;
			if (o->irq >= ARRAY_SIZE(acpi_info.isa))
				break;
			acpi_info.isa[o->irq].gsi = o->gsi;
			acpi_info.isa[o->irq].flags = o->flags;
			acpi_info.isa[o->irq].present = true;
		}
		break;
	case 9:
		if (e->length >= sizeof(struct madt_x2apic)) {
			const struct madt_x2apic *x = (const void *)e;
			add_cpu(x->id, x->flags);
		}
		break;
	}
}

static void parse_madt(const struct sdt *t)
{
	const uint8_t *p = (const uint8_t *)t;

	for (uint32_t off = MADT_HEADER; off + sizeof(struct madt_entry) <= t->length;) {
		const struct madt_entry *e = (const void *)(p + off);
		if (e->length < sizeof(*e) || off + e->length > t->length)
			break;
		parse_madt_entry(e);
		off += e->length;
	}
}

static void parse_fadt(const struct sdt *t)
{
	const uint8_t *p = (const uint8_t *)t;
	uint32_t flags, port;

	if (t->length < FADT_MIN)
		return;
	memcpy(&port, p + FADT_PM_TIMER, 4);
	memcpy(&flags, p + FADT_FLAGS, 4);
	acpi_info.pm_timer_port = (uint16_t)port;
	acpi_info.pm_timer_32bit = flags & FADT_TIMER_32BIT;
	acpi_info.rtc_century = p[FADT_CENTURY];
}

static void parse_table(const struct sdt *t)
{
	if (!t)
		log_warn("a table with a bad length or checksum is ignored");
	else if (!memcmp(t->signature, "APIC", 4))
		parse_madt(t);
	else if (!memcmp(t->signature, "FACP", 4))
		parse_fadt(t);
}

static void parse_root(const struct sdt *root, size_t width)
{
	const uint8_t *p = (const uint8_t *)root;

	for (uint32_t off = sizeof(*root); off + width <= root->length; off += width) {
		uint64_t phys = 0;
		memcpy(&phys, p + off, width);
		parse_table(table_at(phys));
	}
}

/* The CPU we run on is CPU 0, wherever the MADT lists it. */
static void put_boot_cpu_first(void)
{
	uint32_t id = cpuid(1, 0).b >> 24;

	for (unsigned i = 0; i < acpi_info.ncpu; i++) {
		if (acpi_info.apic_id[i] == id) {
			acpi_info.apic_id[i] = acpi_info.apic_id[0];
			acpi_info.apic_id[0] = id;
			return;
		}
	}
	acpi_info.ncpu = 1;
	acpi_info.apic_id[0] = id;
}

void acpi_init(void)
{
	struct rsdp rsdp;
	const struct sdt *root = NULL;

	if (!find_rsdp(&rsdp))
		log_warn("no RSDP: one CPU, no I/O APIC");
	else if (rsdp.revision >= 2 && (root = table_at(rsdp.xsdt)))
		parse_root(root, 8);
	else if ((root = table_at(rsdp.rsdt)))
		parse_root(root, 4);
	put_boot_cpu_first();
	for (unsigned i = 0; i < acpi_info.ncpu; i++)
		arch_cpus[i].apic_id = acpi_info.apic_id[i];
}
