"""The instrument in the hands of one run: taken, listened to, kept in bounds, and given back as it was found."""
