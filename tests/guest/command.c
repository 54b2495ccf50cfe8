/* Commands, one a line:
 *
 *   verify      "ok pages=N blocks=N sequence=A[,B] counter=N", or
 *               "DIFFERS pages=BAD/N blocks=BAD/N <where>"
 *   counter     the counter
 *   status      everything, as one line of key=value
 *   rate M D    rewrite memory at M MiB/s, write each disk at D KiB/s (HTTP: /rate?M&D)
 *   poweroff, reboot, suspend, panic
 */
#include "guest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

static void sequences(char* reply, size_t size) {
  append(reply, size, " sequence=");
  for (int i = 0; i < disks_count(); ++i) {
    append(reply, size, "%s%llu", i > 0 ? "," : "", (unsigned long long)disks_sequence(i));
  }
}

static void verify(char* reply, size_t size) {
  static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&one_at_a_time);
  char where[1024] = "";
  const uint64_t pages = memory_verify(where, sizeof where);
  const uint64_t blocks = disks_verify(where, sizeof where);
  if (pages == 0 && blocks == 0) {
    append(reply, size, "ok pages=%llu blocks=%llu", (unsigned long long)memory_pages(),
           (unsigned long long)disks_blocks());
  } else {
    append(reply, size, "DIFFERS pages=%llu/%llu blocks=%llu/%llu%s", (unsigned long long)pages,
           (unsigned long long)memory_pages(), (unsigned long long)blocks, (unsigned long long)disks_blocks(),
           where);
  }
  sequences(reply, size);
  append(reply, size, " counter=%llu", (unsigned long long)atomic_load(&g_counter));
  pthread_mutex_unlock(&one_at_a_time);
}

static void status(char* reply, size_t size) {
  char boot[64] = "";
  const int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (file >= 0) {
    const ssize_t bytes = read(file, boot, sizeof boot - 1);
    boot[bytes > 0 ? bytes : 0] = 0;
    boot[strcspn(boot, "\n")] = 0;
    close(file);
  }
  append(reply, size,
         "counter=%llu uptime_ms=%llu boot=%s pages=%llu blocks=%llu rate=%llu disk_rate=%llu disks=%d",
         (unsigned long long)atomic_load(&g_counter), (unsigned long long)uptime_ms(), boot,
         (unsigned long long)memory_pages(), (unsigned long long)disks_blocks(),
         (unsigned long long)atomic_load(&g_settings.memory_rate),
         (unsigned long long)atomic_load(&g_settings.disk_rate), disks_count());
  sequences(reply, size);
}

static void write_file(const char* path, const char* text) {
  const int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0 || write(file, text, strlen(text)) < 0) say("error %s: cannot write", path);
  if (file >= 0) close(file);
}

void machine_end(bool reboot_it, const char* cause) {
  disks_close();
  say("%s cause=%s counter=%llu", reboot_it ? "reboot" : "poweroff", cause,
      (unsigned long long)atomic_load(&g_counter));
  sync();
  reboot(reboot_it ? RB_AUTOBOOT : RB_POWER_OFF);
  for (;;) pause();
}

bool command_run(const char* line, char* reply, size_t size) {
  unsigned long long memory = 0;
  unsigned long long disk = 0;
  reply[0] = 0;
  if (strcmp(line, "verify") == 0) {
    verify(reply, size);
  } else if (strcmp(line, "counter") == 0) {
    append(reply, size, "%llu", (unsigned long long)atomic_load(&g_counter));
  } else if (strcmp(line, "status") == 0) {
    status(reply, size);
  } else if (sscanf(line, "rate %llu %llu", &memory, &disk) == 2 ||
             sscanf(line, "rate?%llu&%llu", &memory, &disk) == 2) {
    atomic_store(&g_settings.memory_rate, memory);
    atomic_store(&g_settings.disk_rate, disk);
    append(reply, size, "ok rate=%llu disk_rate=%llu", memory, disk);
  } else if (strcmp(line, "poweroff") == 0) {
    machine_end(false, "command");
  } else if (strcmp(line, "reboot") == 0) {
    machine_end(true, "command");
  } else if (strcmp(line, "suspend") == 0) {
    write_file("/sys/power/state", "mem");
    append(reply, size, "awake");
  } else if (strcmp(line, "panic") == 0) {
    write_file("/proc/sysrq-trigger", "c");
  } else {
    return false;
  }
  return true;
}
