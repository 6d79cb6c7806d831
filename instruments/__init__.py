"""Things with a serial number: the port, the guard, the host process, drivers and the digital twin."""
