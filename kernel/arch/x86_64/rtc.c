/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The CMOS clock (MC146818), read once at boot for the time of day, taken as UTC. Two equal
 * readings outside an update; the wait for the end of an update is bounded.
 */
#include <kern/mmio.h>
#include <kern/string.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

enum { RTC_SEC = 0, RTC_MIN = 2, RTC_HOUR = 4, RTC_DAY = 7, RTC_MONTH = 8, RTC_YEAR = 9, RTC_A = 10,
       RTC_B = 11 };
#define A_UPDATE 0x80
#define B_BINARY 0x04
#define B_24H 0x02

struct rtc_time { uint8_t sec, min, hour, day, month, year, century; };

static uint8_t cmos(uint8_t reg)
{
	io_out8(0x70, reg);
	return io_in8(0x71);
}

static struct rtc_time read_raw(void)
{
	for (unsigned i = 0; i < 100000 && (cmos(RTC_A) & A_UPDATE); i++)
		pause_insn();
	return (struct rtc_time){ cmos(RTC_SEC), cmos(RTC_MIN), cmos(RTC_HOUR), cmos(RTC_DAY),
		cmos(RTC_MONTH), cmos(RTC_YEAR),
		acpi_info.rtc_century ? cmos(acpi_info.rtc_century) : 0 };
}

static unsigned from_bcd(unsigned v, bool binary)
{
	return binary ? v : (v >> 4) * 10 + (v & 15);
}

/* Days since 1970-01-01 of a date of the Gregorian calendar, from 2000 to 2399. */
static uint64_t days_since_epoch(unsigned y, unsigned m, unsigned d)
{
	static const uint16_t before[12] = {
		0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334
	};
	unsigned n = y - 2000;
	bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
	uint64_t leaps = n ? (n - 1) / 4 - (n - 1) / 100 + (n - 1) / 400 + 1 : 0;

	return 10957 + n * 365ULL + leaps + before[(m - 1) % 12] + (leap && m > 2) + d - 1;
}

uint64_t arch_rtc_seconds(void)
{
	struct rtc_time a = read_raw(), b = read_raw();

	for (int i = 0; i < 5 && memcmp(&a, &b, sizeof(a)) != 0; i++) {
		a = b;
		b = read_raw();
	}
	uint8_t mode = cmos(RTC_B);
	bool binary = mode & B_BINARY, pm = !(mode & B_24H) && (a.hour & 0x80);
	unsigned hour = from_bcd(a.hour & 0x7f, binary);
	if (!(mode & B_24H))
		hour = hour % 12 + (pm ? 12 : 0);
	unsigned century = a.century ? from_bcd(a.century, binary) : 20;
	unsigned year = KMAX(century, 20u) * 100 + from_bcd(a.year, binary);
	uint64_t days = days_since_epoch(year, from_bcd(a.month, binary), from_bcd(a.day, binary));

	return ((days * 24 + hour) * 60 + from_bcd(a.min, binary)) * 60 + from_bcd(a.sec, binary);
}
