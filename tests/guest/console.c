/* The serial console (a command a line, the answer as "guest: <command> <answer>") and the ACPI power button.
 */
#include "guest.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <linux/input.h>

static void* read_console(void* unused) {
  (void)unused;
  struct termios mode;
  if (tcgetattr(0, &mode) == 0) {
    /* No echo: what programs read back is only what the guest says. */
    mode.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG);
    mode.c_iflag |= ICRNL;
    tcsetattr(0, TCSANOW, &mode);
  }
  char line[256];
  size_t have = 0;
  for (;;) {
    char byte;
    if (read(0, &byte, 1) != 1) {
      sleep_ms(100);
      continue;
    }
    if (byte != '\n') {
      if (have < sizeof line - 1) line[have++] = byte;
      continue;
    }
    line[have] = 0;
    have = 0;
    if (line[0] == 0) continue;
    char reply[kReplyBytes];
    const bool known = command_run(line, reply, sizeof reply);
    say("%s %s", line, known ? reply : "error unknown command");
  }
  return NULL;
}

static void* watch_button(void* unused) {
  (void)unused;
  struct pollfd files[16];
  nfds_t count = 0;
  DIR* folder = opendir("/dev/input");
  const struct dirent* entry;
  while (folder != NULL && count < 16 && (entry = readdir(folder)) != NULL) {
    char path[sizeof entry->d_name + 16];
    if (strncmp(entry->d_name, "event", 5) != 0) continue;
    snprintf(path, sizeof path, "/dev/input/%s", entry->d_name);
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) files[count++] = (struct pollfd){.fd = file, .events = POLLIN};
  }
  if (folder != NULL) closedir(folder);
  if (count == 0) say("error button: no input device");
  while (count > 0 && poll(files, count, -1) > 0) {
    for (nfds_t i = 0; i < count; ++i) {
      struct input_event event;
      if ((files[i].revents & POLLIN) == 0 || read(files[i].fd, &event, sizeof event) != sizeof event)
        continue;
      if (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1) machine_end(false, "button");
    }
  }
  return NULL;
}

void console_start(void) {
  start_thread(read_console, NULL);
}
void button_start(void) {
  start_thread(watch_button, NULL);
}
