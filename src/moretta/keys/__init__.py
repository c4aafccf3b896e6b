"""Master keys (file, PKCS#11, remote, memory), and the envelope that encrypts what belongs to a subject."""
