"""What the loads guarantee, and under which faults it was tried."""
